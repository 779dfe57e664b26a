// The service worker of the installed app. It stores the shell: the page, its scripts and styles, which are the same for
// everybody. It neither stores nor answers requests for the API, MP3s and other pages.

const { version, files } = SHELL; // written by web/shell.ts
const ROOT = new URL("../", location.href);
const PREFIX = `video2mp3 ${ROOT.pathname} `; // other services may be below other paths of this origin
const NAME = PREFIX + version;
const FILES = new Set(files.map((file) => new URL(file, ROOT).href));
const SHARE_TARGET = new URL("share-target", ROOT).href;
/** What another app has shared, until the page takes it (received.svelte.ts). */
const RECEIVED = `video2mp3-received ${ROOT.pathname}`;

addEventListener("install", (event) => {
  skipWaiting();
  event.waitUntil(install());
});

addEventListener("activate", (event) => {
  event.waitUntil(deleteOlder().then(() => clients.claim()));
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  const address = origin + pathname;
  if (request.method === "POST" && address === SHARE_TARGET) event.respondWith(receive(request));
  else if (request.method !== "GET") return;
  else if (FILES.has(request.url)) event.respondWith(stored(request));
  else if (request.mode === "navigate" && address === ROOT.href) event.respondWith(page(request));
});

async function install() {
  const cache = await caches.open(NAME);
  await cache.addAll(FILES);
  const shell = await fetch(ROOT, { headers: { Accept: "text/html" }, cache: "no-store" });
  // While a new version is rolled out, another server may still have the page of the former one.
  if (!shell.ok || !(await shell.clone().text()).includes(files[0])) throw new Error("not this version's page");
  await cache.put(ROOT, shell);
}

async function deleteOlder() {
  const older = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== NAME);
  await Promise.all(older.map((name) => caches.delete(name)));
}

/** The service's page, so that a new version is shown at once; the stored one only if the service is unreachable. */
async function page(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const cache = await caches.open(NAME);
    const shell = await cache.match(ROOT, { ignoreVary: true });
    if (!shell) throw error;
    return shell;
  }
}

/** Their names change with their contents. */
async function stored(request) {
  const cache = await caches.open(NAME);
  return (await cache.match(request, { ignoreVary: true })) ?? fetch(request);
}

/** Stores what another app shares (Web Share Target) as it is sent, and opens the page. */
async function receive(request) {
  const headers = { "Content-Type": request.headers.get("Content-Type") };
  const cache = await caches.open(RECEIVED);
  await cache.put(SHARE_TARGET, new Response(await request.blob(), { headers }));
  return Response.redirect(new URL("?received", ROOT), 303);
}
