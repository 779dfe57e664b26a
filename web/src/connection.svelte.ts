// Whether the service can be reached. A failed request asks the page to check, and it asks until the service answers again.

const AGAIN_MS = 2000;

let isLost = $state(false);
let isAsking = false;

export const connection = {
  get isLost(): boolean {
    return isLost;
  },
};

/** Asks the service, and goes on asking until it answers. */
export async function checkConnection(): Promise<void> {
  if (isAsking) return;
  isAsking = true;
  while (!(await isReached())) {
    isLost = true;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
  isLost = isAsking = false;
}

/** A proxy answers 502 to 504 while the service restarts. */
async function isReached(): Promise<boolean> {
  try {
    const { status } = await fetch(new URL("livez", document.baseURI.split("#")[0]), { cache: "no-store" });
    return status < 502 || status > 504;
  } catch {
    return false;
  }
}
