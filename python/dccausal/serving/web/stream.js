// Asking the service: a form goes there, and events come back one by one.

class Refused extends Error {
  constructor(document, status) {
    super(document.detail || `The service answered ${status}.`);
    this.status = status;
  }
}

async function refusalOf(response) {
  try {
    return new Refused(await response.json(), response.status);
  } catch {
    return new Refused({}, response.status);
  }
}

// Calls `on(name, data)` for each event; the text of a result is kept as it came.
async function ask(form, { key, signal, on }) {
  const headers = { Accept: 'text/event-stream' };
  if (key) headers.Authorization = `Bearer ${key}`;
  const response = await fetch('v1/explanations', { method: 'POST', body: form, headers, signal });
  if (!response.ok) throw await refusalOf(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let parts = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parts.push(value);
    if (!value.includes('\n')) continue; // a long event comes in many parts
    const texts = parts.join('').split('\n\n');
    parts = [texts.pop()];
    for (const text of texts) {
      const name = /^event: (.*)$/m.exec(text);
      const data = /^data: (.*)$/m.exec(text);
      if (!name || !data) continue;
      if (name[1] === 'error') throw new Refused(JSON.parse(data[1]), JSON.parse(data[1]).status);
      await on(name[1], data[1]);
    }
  }
}
