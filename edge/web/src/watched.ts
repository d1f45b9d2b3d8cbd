// What tells that it changed. State lives in plain classes; a view watches what it shows.

export class Watched {
  private readonly watchers = new Set<() => void>();

  /** Answers how to stop watching. */
  watch(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  changed(): void {
    for (const watcher of [...this.watchers]) {
      watcher();
    }
  }
}
