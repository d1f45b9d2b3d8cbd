// Topics and the filters that ask for them.

/** Whether an MQTT topic fits a filter with `+` and `#`. */
export function fits(filter: string, topic: string): boolean {
  const wanted = filter.split("/");
  const found = topic.split("/");
  for (const [i, level] of wanted.entries()) {
    if (level === "#") {
      return true;
    }
    if (i >= found.length || (level !== "+" && level !== found[i])) {
      return false;
    }
  }
  return wanted.length === found.length;
}
