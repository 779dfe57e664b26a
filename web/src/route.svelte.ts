// Where in the page the reader is. In the fragment, so that it is the same behind every prefix and needs no server.

export const VIEWS = ["convert", "history", "account", "admin", "sign-in"] as const;
export type View = (typeof VIEWS)[number];

/** Returns the view that a fragment (`#/history`) names, and what follows it; the first view for all others. */
export function viewOf(fragment: string): { view: View; rest: string } {
  const [name = "", ...rest] = fragment.replace(/^#\/?/, "").split("/");
  const view = VIEWS.find((known) => known === name);
  return view ? { view, rest: rest.join("/") } : { view: "convert", rest: "" };
}

/** The address of a view, for links. */
export function hrefOf(view: View): string {
  return view === "convert" ? "#/" : `#/${view}`;
}

let current = $state(viewOf(location.hash));
addEventListener("hashchange", () => (current = viewOf(location.hash)));

export const route = {
  get view(): View {
    return current.view;
  },
  /** What follows the view's name: `tokens` in `#/account/tokens`. */
  get rest(): string {
    return current.rest;
  },
};

export function go(view: View): void {
  location.hash = hrefOf(view);
}
