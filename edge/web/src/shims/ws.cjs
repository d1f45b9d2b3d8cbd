// In place of the package `ws`: a browser has WebSockets of its own.

module.exports = {};
