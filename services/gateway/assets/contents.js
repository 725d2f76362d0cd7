// Open on a wide screen; on a phone it would push the content down.
if (matchMedia('(min-width: 60rem)').matches) document.getElementById('contents').open = true
