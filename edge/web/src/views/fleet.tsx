export function FleetView() {
  return <section class="card" />;
}
