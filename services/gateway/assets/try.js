// Swagger UI follows the reader's theme, and sends requests to where this page came from.
const dark = matchMedia('(prefers-color-scheme: dark)')
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
follow()
dark.addEventListener('change', follow)

const loading = document.getElementById('loading')
loading.textContent = 'Loading the operations …'

const frame = document.getElementById('swagger-ui')
SwaggerUIBundle({
  url: frame.dataset.document,
  domNode: frame,
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: -1,
  displayRequestDuration: true,
  layout: 'BaseLayout',
  presets: [SwaggerUIBundle.presets.apis],
  showCommonExtensions: true,
  // The default is a service on another host.
  validatorUrl: null,
  onComplete: () => { loading.hidden = true },
})
