// The mark of what is old. It stands beside the heading of what it is about.

export function Stale({ id, why }: { id?: string; why: string | null }) {
  return why === null ? null : (
    <span {...(id === undefined ? {} : { id })} class="stale">
      {why}
    </span>
  );
}
