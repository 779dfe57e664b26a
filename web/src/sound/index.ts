export { takeSound, type Taken, type Why } from "./take.ts";
