export function ReviewView() {
  return <section class="card" />;
}
