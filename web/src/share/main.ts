import { mount } from "svelte";
import { loadTexts } from "../texts/texts";
import { applyTheme } from "../theme";
import SharePage from "./SharePage.svelte";

applyTheme();
await loadTexts();
const target = document.getElementById("app");
if (target) mount(SharePage, { target });
