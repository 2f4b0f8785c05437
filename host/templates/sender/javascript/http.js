// One POST. The host ends it at the batch's deadline.

export async function postJson(url, userAgent, body) {
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

// The body; an error if it breaks off, or does not come before the batch ends.
export async function text(response) {
  const cutShort = { tag: 'unreachable', val: 'the answer was cut short' };
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(reject, 2000, cutShort);
  });
  try {
    return await Promise.race([response.text(), late]);
  } catch {
    throw cutShort;
  } finally {
    clearTimeout(timer);
  }
}
