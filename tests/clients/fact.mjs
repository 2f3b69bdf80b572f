// node fact.mjs start|update|signal|query WORKFLOW_ID NAME, with the JSON argument on standard
// input. Prints {"answer": …}, or {"refused": …, "type": …}.
import { text } from "node:stream/consumers";
import {
  Client,
  Connection,
  WorkflowExecutionAlreadyStartedError,
  WorkflowUpdateFailedError,
} from "@temporalio/client";

const [verb, workflowId, name] = process.argv.slice(2);
const argument = JSON.parse(await text(process.stdin));
const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS });
const { workflow } = new Client({ connection });
const onboarding = workflow.getHandle(workflowId);

const verbs = {
  start: () =>
    workflow.start(name, {
      args: [argument],
      workflowId,
      taskQueue: "client-onboarding",
      workflowIdReusePolicy: "REJECT_DUPLICATE",
    }),
  update: () => onboarding.executeUpdate(name, { args: [argument] }),
  signal: () => onboarding.signal(name, argument),
  query: () => onboarding.query(name),
};

let said;
try {
  const answer = await verbs[verb]();
  said = { answer: verb === "start" ? null : (answer ?? null) };
} catch (error) {
  if (error instanceof WorkflowUpdateFailedError) {
    said = { refused: error.cause.message, type: error.cause.type };
  } else if (error instanceof WorkflowExecutionAlreadyStartedError) {
    said = { refused: error.message, type: error.name };
  } else {
    throw error;
  }
}
console.log(JSON.stringify(said));
await connection.close();
