"""Writes common/fixtures: a small picture in each kind of file that `image::decode` reads and
`image::encode_*` can't write.

    python3 common/tools/picture_fixtures.py     (needs Pillow)
"""

import pathlib

from PIL import Image

PINK, VIOLET = (220, 150, 160), (90, 30, 120)

folder = pathlib.Path(__file__).parent.parent / "fixtures"
folder.mkdir(exist_ok=True)
picture = Image.new("RGB", (16, 8), PINK)
picture.paste(VIOLET, (8, 0, 16, 8))
picture.quantize(2).save(folder / "palette.png")
picture.save(folder / "progressive.jpg", quality=95, progressive=True)
picture.convert("L").save(folder / "gray.jpg", quality=95)
picture.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
