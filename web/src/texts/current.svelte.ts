// The language of the page and its texts. Whatever shows them follows when the user chooses another language.

let state: { language: string; texts: Record<string, string> } = $state.raw({ language: "en", texts: {} });

export const current = {
  get language(): string {
    return state.language;
  },
  get texts(): Record<string, string> {
    return state.texts;
  },
};

export function become(language: string, texts: Record<string, string>): void {
  state = { language, texts };
}
