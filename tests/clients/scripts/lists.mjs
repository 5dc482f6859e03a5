// Lists through @huggingface/hub: prints what it saw as JSON. Arguments: hub, token, namespace.
import * as hub from "@huggingface/hub";

const [hubUrl, accessToken, owner] = process.argv.slice(2);

async function all(items) {
  const found = [];
  for await (const each of items) found.push(each);
  return found;
}
const short = (items) => items.map((each) => each.name.split("/")[1]).sort();
const models = async (search, more = {}) => short(await all(hub.listModels({ hubUrl, accessToken, search: { owner, ...search }, ...more })));

const seen = {};
seen.models = await models({});
seen.strangers = short(await all(hub.listModels({ hubUrl, search: { owner } })));
seen.task = await models({ task: "fill-mask" });
seen.tags = await models({ tags: ["fr", "license:mit"] });
seen.query = await models({ query: "gguf" });
seen.limited = (await models({}, { limit: 2 })).length;
const fields = ["author", "config", "library_name", "siblings", "tags", "sha", "cardData", "safetensors"];
const [bert] = await all(hub.listModels({ hubUrl, accessToken, search: { owner, query: "bert" }, additionalFields: fields }));
seen.more = { author: bert.author, config: bert.config.model_type, library: bert.library_name, files: bert.siblings.length };
const datasets = async (search) => short(await all(hub.listDatasets({ hubUrl, accessToken, search: { owner, ...search } })));
seen.datasets = await datasets({});
seen.dataTags = await datasets({ tags: ["tiny"] });
const spaces = await all(hub.listSpaces({ hubUrl, accessToken, search: { owner } }));
seen.spaces = short(spaces);
seen.sdks = spaces.map((each) => each.sdk).sort();
console.log(JSON.stringify(seen));
