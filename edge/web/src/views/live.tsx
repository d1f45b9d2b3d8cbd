export function LiveView() {
  return <section class="card" />;
}
