// One POST. The host ends it at the batch's deadline.

// How much the host sends, and how much of an answer's body is read.
const REQUEST_BYTES = 8 * 1024 * 1024;
const BODY_BYTES = 64 * 1024;

/** @type {(url: string, userAgent: string, text: string) => Promise<Response>} */
export async function postJson(url, userAgent, text) {
  const body = new TextEncoder().encode(text);
  if (body.length > REQUEST_BYTES) {
    // The host sends smaller batches then.
    throw { tag: 'rejected', val: { status: 413, body: 'the batch is larger than 8 MiB' } };
  }
  try {
    return await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': userAgent },
      body,
      redirect: 'manual',
    });
  } catch (error) {
    throw { tag: 'unreachable', val: `the endpoint did not answer: ${error.message}` };
  }
}

// The body as text, up to about its first 64 KiB; an error if it breaks off, or does not come before the batch ends.
/** @type {(response: Response) => Promise<string>} */
export async function text(response) {
  if (response.body === null) return '';
  const cutShort = { tag: 'unreachable', val: 'the answer was cut short' };
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(reject, 2000, cutShort);
  });
  let read = '';
  try {
    while (read.length < BODY_BYTES) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) break;
      read += decoder.decode(value, { stream: true });
    }
    return read;
  } catch {
    throw cutShort;
  } finally {
    clearTimeout(timer);
  }
}
