/**
 * The tables of stored responses: see `responses/Rows`.
 */

/**
 * Responses, the ids of the items in their output, and the events of background responses that are streamed; conversations and their
 * items.
 */
export const responses = `
CREATE TABLE responses (
  id TEXT PRIMARY KEY,
  key_id TEXT NOT NULL,
  previous_id TEXT,
  conversation_id TEXT,
  model TEXT NOT NULL,
  status TEXT NOT NULL,
  size BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  input TEXT NOT NULL,
  response TEXT NOT NULL,
  gateway_id TEXT,
  lease_until BIGINT
);
CREATE INDEX responses_running ON responses (gateway_id) WHERE gateway_id IS NOT NULL;
CREATE INDEX responses_expiry ON responses (expires_at);
CREATE TABLE response_items (
  item_id TEXT NOT NULL,
  response_id TEXT NOT NULL,
  PRIMARY KEY (item_id, response_id)
);
CREATE INDEX response_items_response ON response_items (response_id);
CREATE TABLE response_events (
  response_id TEXT NOT NULL,
  batch INTEGER NOT NULL,
  events TEXT NOT NULL,
  PRIMARY KEY (response_id, batch)
);
CREATE TABLE conversations (
  id TEXT PRIMARY KEY,
  key_id TEXT NOT NULL,
  metadata TEXT NOT NULL,
  items BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX conversations_expiry ON conversations (expires_at);
CREATE TABLE conversation_items (
  conversation_id TEXT NOT NULL,
  position BIGINT NOT NULL,
  id TEXT NOT NULL,
  item TEXT NOT NULL,
  PRIMARY KEY (conversation_id, position)
);
CREATE INDEX conversation_items_id ON conversation_items (conversation_id, id)
`
