// The installed app: registers its service worker, and takes the files and links that the system or other apps give it.

import { showTrouble } from "../announcer.svelte";
import { address } from "../api/client";
import { facts } from "../facts";
import { explain } from "../problems";
import { restore } from "../queue/account";
import { add } from "../queue/actions";
import { takeLinks } from "../queue/links";
import { session } from "../session.svelte";
import { t } from "../texts/texts";
import { receivedCache } from "./cache";

interface Share {
  files: File[];
  text: string;
  /** Whether the user is asked first. */
  isDoubtful: boolean;
}

/** https://wicg.github.io/manifest-incubations/#launchqueue-interface */
interface LaunchQueue {
  setConsumer(consumer: (params: { files: readonly FileSystemFileHandle[] }) => void): void;
}

/** What is to be added as soon as somebody is signed in. */
let waiting: Share[] = $state.raw([]);

function receive(share: Share): void {
  waiting = [...waiting, share];
}

function take({ files, text, isDoubtful }: Share): void {
  location.hash = "#/";
  // Apps put the address anywhere in a text.
  const links = text.match(/https?:\/\/\S+/g) ?? [];
  const names = [...files.map(({ name }) => name), ...links].map((name) => name.slice(0, 100)).slice(0, 10);
  if (isDoubtful && names.length && !confirm(`${t("drop.received")}\n\n${names.join("\n")}`)) return;
  if (files.length) add(files);
  if (links.length && facts.takes_urls) takeLinks([...new Set(links)].join("\n"));
  else if (!files.length) showTrouble(t(links.length ? "errors.url_sources_disabled" : "drop.nothing"));
}

$effect.root(() => {
  $effect(() => {
    if (!session.me || !waiting.length) return;
    const shares = waiting;
    waiting = [];
    // Files are added to a list that is the user's.
    restore(session.me.id)
      .then(() => shares.forEach(take))
      .catch((error: unknown) => showTrouble(explain(error)));
  });
});

/** Returns what another app has shared, and forgets it. The service worker has stored it. */
async function shared(): Promise<Share | null> {
  const name = receivedCache();
  const stored = await (await caches.open(name)).match(address("share-target"));
  await caches.delete(name);
  const form = await stored?.formData().catch(() => null); // what another site posts may be none
  if (!form) return null;
  const texts = ["url", "text", "title"].map((field) => form.get(field)).filter((text) => typeof text === "string");
  const files = form.getAll("files").filter((file) => file instanceof File && file.size > 0);
  // Any site can post a form to the share target. What the system shares opens the installed app's own window.
  const isDoubtful = matchMedia("(display-mode: browser)").matches;
  return { files: files as File[], text: texts.join("\n"), isDoubtful };
}

export async function start(): Promise<void> {
  const { launchQueue } = window as unknown as { launchQueue?: LaunchQueue };
  launchQueue?.setConsumer(({ files }) => {
    if (files.length) {
      void Promise.all(files.map((file) => file.getFile())).then((found) =>
        receive({ files: found, text: "", isDoubtful: false }),
      );
    }
  });
  // Of secure contexts only.
  if (!("serviceWorker" in navigator)) return;
  if (new URLSearchParams(location.search).has("received")) {
    history.replaceState(null, "", location.pathname + location.hash);
    const share = await shared();
    if (share) receive(share);
  }
  await navigator.serviceWorker.register(address("page/service-worker.js"), { scope: address("") });
}
