/** True if the service sends emails; it writes "no" into the page where it has no mail server. */
export const isEmailSent = document.querySelector<HTMLMetaElement>('meta[name="video2mp3-email"]')?.content !== "no";
