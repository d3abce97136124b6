// @ts-check
// A line of text in a panel whose view is not installed.
export function mount(box, model) {
  box.innerHTML = '<div class="empty"></div>';
  box.firstChild.textContent = model.text;
}
