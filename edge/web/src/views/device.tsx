export function DeviceView() {
  return <section class="card" />;
}
