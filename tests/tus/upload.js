// Uploads a file with the tus protocol's own client, which resumes by itself: upload.js ENDPOINT TOKEN FILE CHUNK_BYTES.
// Prints the upload's address.
const fs = require('node:fs')
const tus = require('tus-js-client')

const [endpoint, token, path, chunkSize] = process.argv.slice(2)
const upload = new tus.Upload(fs.createReadStream(path), {
  endpoint,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename: 'talk.mp4' },
  uploadSize: fs.statSync(path).size,
  chunkSize: Number(chunkSize),
  // It begins anew after each success; so many failures in a row are its end.
  retryDelays: Array(60).fill(200),
  onError: (error) => { console.error(String(error)); process.exitCode = 1 },
  onSuccess: () => console.log(upload.url),
})
upload.start()
