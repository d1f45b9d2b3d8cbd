// In place of the library's own package.json, of which it tells its log the version.

exports.version = "";
