// The address in the reader's browser: the page is rendered before a proxy or port is known.
document.getElementById('address').textContent = location.origin

for (const button of document.querySelectorAll('button.copy')) {
  const label = button.querySelector('span')
  // Browsers offer the clipboard to secure pages alone.
  button.hidden = !navigator.clipboard
  button.setAttribute('aria-live', 'polite')
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(button.closest('figure').querySelector('code').textContent)
    label.textContent = 'Copied'
    setTimeout(() => { label.textContent = 'Copy' }, 2000)
  })
}

const contents = document.getElementById('contents')
const filter = document.getElementById('filter')
filter.parentElement.hidden = false
filter.addEventListener('input', () => {
  const words = filter.value.toLowerCase().split(/\s+/)
  let matches = 0
  for (const section of contents.querySelectorAll('section')) {
    let shown = 0
    for (const link of section.querySelectorAll('li a')) {
      const fits = words.every(word => link.dataset.words.includes(word))
      link.parentElement.hidden = !fits
      shown += fits
    }
    section.hidden = !shown
    matches += shown
  }
  document.getElementById('no-match').hidden = matches > 0
})
document.addEventListener('keydown', event => {
  const typing = event.target.closest('input, textarea, select')
  if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault()
    contents.open = true
    filter.focus()
  }
})

// A list that covers the screen closes once the reader has chosen.
contents.addEventListener('click', event => {
  if (event.target.closest('a') && !matchMedia('(min-width: 60rem)').matches) contents.open = false
})

const links = new Map([...contents.querySelectorAll('li a')].map(link => [link.hash.slice(1), link]))
const list = contents.querySelector('div')
let current
const mark = id => {
  current?.removeAttribute('aria-current')
  current = links.get(id)
  current.setAttribute('aria-current', 'true')
  const { top, bottom } = current.getBoundingClientRect()
  const frame = contents.parentElement
  if (top < 90 || bottom > innerHeight - 20) frame.scrollTop += top - innerHeight / 3
}
const observer = new IntersectionObserver(entries => {
  const shown = entries.find(entry => entry.isIntersecting)
  if (shown) mark(shown.target.id)
}, { rootMargin: '-20% 0px -75% 0px' })
for (const article of document.querySelectorAll('article')) observer.observe(article)
