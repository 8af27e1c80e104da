// Keeps a list of devices in order: reads every result event once and says which recipients to forget and which registration
// IDs to replace. Goes on where it ended, and several of them share the work.
//
//   node results.mjs                         for ever
//   node results.mjs gcm.default.order-4711  until that job is done

import { AckPolicy, connect, JSONCodec } from "nats";

const until = process.argv[2];
const json = JSONCodec();
const connection = await connect({ servers: process.env.NATS_URL ?? "nats://127.0.0.1:4222", name: "device-list", maxReconnectAttempts: -1 });
const jetstream = connection.jetstream();
const manager = await connection.jetstreamManager();

// The durable remembers what was acknowledged. Events are kept for a day (results.retention): that is how long it may be away.
await manager.consumers.add("PUSH_RESULTS", {
  durable_name: "device-list-node",
  filter_subject: "push.results.*.default.>",
  ack_policy: AckPolicy.Explicit,
  ack_wait: 30e9, // nanoseconds
});

// apply does what one event asks for. Here it prints; in your program these are statements for your data base.
function apply(event) {
  for (const gone of [...event.expired_tokens, ...event.failures]) {
    if (gone.action === "delete_token") {
      const since = gone.timestamp_ms ? new Date(gone.timestamp_ms) : new Date(event.at);
      console.log(`forget ${gone.token} unless registered after ${since.toISOString()}`);
    }
  }
  for (const id of event.canonical_ids) {
    console.log(`replace ${id.old_id} by ${id.new_id}`);
  }
  if (event.kind === "dead") {
    console.log(`look at job ${event.job}: ${event.dead.reason}`);
  }
}

const consumer = await jetstream.consumers.get("PUSH_RESULTS", "device-list-node");
for await (const message of await consumer.consume()) {
  const event = json.decode(message.data);
  if (event.v > 1) {
    throw new Error(`event ${event.id} was written by a newer Volley`);
  }
  apply(event);
  // After the work, not before: an event that comes twice changes nothing, one that is lost leaves a dead device on the list.
  await message.ackAck();
  if (until === `${event.platform}.${event.app}.${event.job}` && (event.done || event.kind === "job_done")) {
    break;
  }
}
await connection.close();
