// The benchmark's conversation as a waterfall dialog of the Bot Framework, behind one HTTP route. State lives in memory: its only storage
// that needs no cloud account, and not a durable one.
const http = require("http");
const { CloudAdapter, ConfigurationBotFrameworkAuthentication, ConversationState, MemoryStorage, TurnContext } = require("botbuilder");
const { DialogSet, DialogTurnStatus, TextPrompt, WaterfallDialog } = require("botbuilder-dialogs");

const adapter = new CloudAdapter(new ConfigurationBotFrameworkAuthentication({}));
const state = new ConversationState(new MemoryStorage());
const dialogs = new DialogSet(state.createProperty("dialogs"));
const ask = (text) => (step) => step.prompt("text", text);
dialogs.add(new TextPrompt("text"));
dialogs.add(new WaterfallDialog("permit", [
  ask("How many storeys?"), ask("How large?"), ask("Are you sure?"),
  async (step) => { await step.context.sendActivity("Noted."); return step.endDialog(); },
]));

const talk = async (context) => {
  const dialog = await dialogs.createContext(context);
  const done = await dialog.continueDialog();
  if (done.status === DialogTurnStatus.empty) await dialog.beginDialog("permit");
  await state.saveChanges(context);
};

http.createServer((request, response) => {
  if (request.method === "GET") return response.end("ready");
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    request.body = JSON.parse(Buffer.concat(parts));
    const answer = {
      header: (name, value) => response.setHeader(name, value),
      status: (code) => { response.statusCode = code; },
      send: (body) => { answer.body = JSON.stringify(body ?? {}); },
      end: () => response.end(answer.body),  // in one piece: with its length
      socket: request.socket,
    };
    adapter.process(request, answer, talk);
  });
}).listen(Number(process.env.PORT), "127.0.0.1");
