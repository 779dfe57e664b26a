// Uploads a file with the tus protocol's own client, which resumes by itself: upload.js ENDPOINT TOKEN FILE CHUNK_BYTES
// [OPTIONS], which are the client's, as JSON.
// Prints the upload's address.
const fs = require('node:fs')
const { PassThrough } = require('node:stream')
const tus = require('tus-js-client')

const [endpoint, token, path, chunkSize, json = '{}'] = process.argv.slice(2)
const options = JSON.parse(json)
// Of a stream nobody knows the length, nor that it is a file.
const source = options.uploadLengthDeferred
  ? fs.createReadStream(path).pipe(new PassThrough())
  : fs.createReadStream(path)
const upload = new tus.Upload(source, {
  endpoint,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename: 'talk.mp4' },
  uploadSize: Object.keys(options).length ? undefined : fs.statSync(path).size,
  chunkSize: Number(chunkSize),
  ...options,
  // It begins anew after each success; so many failures in a row are its end.
  retryDelays: Array(60).fill(200),
  onError: (error) => { console.error(String(error)); process.exitCode = 1 },
  onSuccess: () => console.log(upload.url),
})
upload.start()
