// The documentation of the API: Swagger UI, with the service's own description.

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import { chosenTheme } from "../theme";
import "./docs.css";
import { at, keepAccessible, viewerPlugin, type Description } from "./viewer";

const system = matchMedia("(prefers-color-scheme: dark)");

function followTheme(): void {
  const theme = chosenTheme();
  const isDark = theme === "system" ? system.matches : theme === "dark";
  const { classList, style } = document.documentElement;
  // Both at once: by itself the second follows the system, whatever was chosen.
  classList.toggle("dark-mode", isDark);
  style.colorScheme = isDark ? "dark" : "light";
}

followTheme();
system.addEventListener("change", followTheme);

const response = await fetch("openapi.json");
const address = new URL(".", document.baseURI).href.replace(/\/$/, "");
const description = at(address, (await response.json()) as Description);

// An error's anchor is below the calls. It is followed when they have their places, and is none of Swagger UI's links.
const anchor = /^#\w+$/.test(location.hash) ? location.hash : "";
if (anchor) history.replaceState(null, "", location.pathname);

const viewer = document.getElementById("viewer")!;
keepAccessible(viewer);
SwaggerUI({
  spec: description,
  domNode: viewer,
  plugins: [viewerPlugin(description)],
  onComplete: () => anchor && location.replace(anchor),
  deepLinking: true,
  defaultModelsExpandDepth: -1,
  displayRequestDuration: true,
  validatorUrl: null,
});
