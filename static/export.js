export function mount(box) { box.innerHTML = '<div class="empty">Export</div>'; }
