// Everything that @huggingface/hub may add to lists and infos: prints what it saw as JSON. Arguments: hub, owner.
import * as hub from "@huggingface/hub";

const [hubUrl, owner] = process.argv.slice(2);
const kinds = {
  models: [hub.listModels, hub.modelInfo, hub.MODEL_EXPANDABLE_KEYS],
  datasets: [hub.listDatasets, hub.datasetInfo, hub.DATASET_EXPANDABLE_KEYS],
  spaces: [hub.listSpaces, hub.spaceInfo, hub.SPACE_EXPANDABLE_KEYS],
};

const seen = { missing: {} };
for (const [kind, [list, info, keys]] of Object.entries(kinds)) {
  seen[kind] = {};
  for await (const each of list({ hubUrl, search: { owner }, additionalFields: [...keys] })) {
    each.one = await info({ hubUrl, name: each.name, additionalFields: [...keys] });
    seen[kind][each.name] = each;
  }
  const first = Object.values(seen[kind]).find((each) => /base|bench|app/.test(each.name));
  // These have a name of their own in what the package returns.
  const renamed = { lastModified: "updatedAt", pipeline_tag: "task" };
  seen.missing[kind] = keys.filter((key) => first[key] === undefined && first[renamed[key]] === undefined);
}
console.log(JSON.stringify(seen));
