export function SlideView() {
  return <section class="card" />;
}
