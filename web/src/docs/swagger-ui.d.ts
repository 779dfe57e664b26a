// Swagger UI is published without types; these are the parts that are used.
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  import type { Plugin } from "./viewer";

  export interface Options {
    spec: object;
    domNode: Element;
    plugins: Plugin[];
    onComplete(): void;
    deepLinking: boolean;
    defaultModelsExpandDepth: number;
    displayRequestDuration: boolean;
    validatorUrl: null;
  }
  export default function SwaggerUI(options: Options): unknown;
}
