// @ts-check
// Stands in a panel whose own view is not there.
export function mount(box, model) {
  box.innerHTML = '<div class="empty"></div>';
  box.firstChild.textContent = model.text;
}
