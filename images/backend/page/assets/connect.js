// How MCP clients connect here.

import { copyButton, el } from './dom.js';

export async function connect(place) {
  const all = `${location.origin}/mcp`;
  const client = {
    mcpServers: {
      // Clients replace ${…} with the environment variable: the file holds no token.
      // eslint-disable-next-line no-template-curly-in-string
      sophia: { type: 'http', url: all, headers: { Authorization: 'Bearer ${SOPHIA_TOKEN}' } },
    },
  };
  place.append(
    el('h1', { tabindex: -1 }, 'Connect'),
    el('p.lead', {}, 'One MCP endpoint has the tools of all servers. Every request carries the header ',
      el('code', {}, 'Authorization: Bearer <your token>'), '.'),
    el('div.card.pad', {},
      snippet('All tools', 'The tools of every server, with the server’s name in front.', all),
      snippet('Search first', 'Two tools, search_tools and call_tool: for clients that can’t handle'
        + ' hundreds of tools at once.', `${all}?tools=search`),
      snippet('A client’s configuration', 'As .mcp.json, with the token in the variable SOPHIA_TOKEN.',
        JSON.stringify(client, null, 2))),
  );
}

const snippet = (title, text, code) => el('section', {},
  el('h2', {}, title), el('p.muted', {}, text),
  el('div.snippet', {}, el('pre', { tabindex: 0, 'aria-label': title }, code),
    copyButton(title, () => code)));
