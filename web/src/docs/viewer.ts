// What Swagger UI lacks: the curl command of each call (`x-codeSamples`), and what screen readers need.

interface React {
  createElement(type: unknown, props: object | null, ...children: unknown[]): unknown;
  Fragment: unknown;
}

interface System {
  React: React;
}

type Wrapper<Props> = (original: unknown, system: System) => (props: Props) => unknown;

export interface Plugin {
  wrapComponents: {
    parameters: Wrapper<{ pathMethod: [path: string, method: string] }>;
    DeepLink: Wrapper<{ text: string }>;
  };
}

interface Operation {
  "x-codeSamples"?: { source: string }[];
}

export interface Description {
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
}

/** Returns the plugin of Swagger UI for this description. */
export function viewerPlugin(description: Description): Plugin {
  return {
    wrapComponents: {
      // Otherwise a link stands in the button that unfolds a call.
      DeepLink:
        (_original, { React: { createElement } }) =>
        ({ text }) =>
          createElement("span", null, text),
      parameters:
        (original, { React: { createElement, Fragment } }) =>
        (props) => {
          const [path, method] = props.pathMethod;
          const source = description.paths[path]?.[method]?.["x-codeSamples"]?.[0]?.source;
          const parameters = createElement(original, props);
          if (!source) return parameters;
          const copy = () => navigator.clipboard.writeText(source);
          const command = createElement(
            "div",
            { className: "curl" },
            createElement("pre", { tabIndex: 0 }, createElement("code", null, source)),
            createElement("button", { type: "button", className: "btn", onClick: copy }, "Copy"),
          );
          return createElement(Fragment, null, command, parameters);
        },
    },
  };
}

const REGIONS = { ".information-container": "Introduction", ".scheme-container": "Server and sign-in" };

/** Names the regions and the lists, and makes scrolling examples reachable by keyboard, also in calls that are unfolded later. */
export function keepAccessible(viewer: Element): void {
  const mend = () => {
    for (const [selector, label] of Object.entries(REGIONS)) {
      const region = viewer.querySelector(`${selector}:not([role])`);
      region?.setAttribute("role", "region");
      region?.setAttribute("aria-label", label);
    }
    for (const select of viewer.querySelectorAll("select:not([aria-label])"))
      select.setAttribute("aria-label", select.id === "servers" ? "Server" : "Example");
    for (const example of viewer.querySelectorAll<HTMLElement>("pre:not([tabindex])")) example.tabIndex = 0;
  };
  new MutationObserver(mend).observe(viewer, { childList: true, subtree: true });
}

/** Returns the description with the address by which the browser reaches the service, in its texts as well. */
export function at(address: string, description: Description): Description {
  const declared = description.servers[0]?.url;
  if (!declared || declared === address) return description;
  return JSON.parse(JSON.stringify(description).replaceAll(declared, address)) as Description;
}
