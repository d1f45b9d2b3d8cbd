"""Renders templates as Home Assistant does, with Jinja's sandbox alone. Reads from standard input a JSON list of
{"template", "value_json"}; writes the list of the texts. A name that a template needs and nobody gives is an error.
"""

import json
import random
import sys
import time
from datetime import datetime, timezone

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment


def now():
    time.sleep(0.001)
    return datetime.now(timezone.utc)


environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
environment.globals["now"] = now
random.seed(int(sys.argv[1]))

texts = [
    environment.from_string(case["template"]).render(value_json=case["value_json"])
    for case in json.load(sys.stdin)
]
json.dump(texts, sys.stdout)
