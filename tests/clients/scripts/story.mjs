// One story told with @huggingface/hub; prints what it saw as JSON. Arguments: hub URL, token, repository, type.
import { createHash } from "node:crypto";
import * as hub from "@huggingface/hub";

const [hubUrl, accessToken, name, type] = process.argv.slice(2);
const repo = { type, name };
const here = { repo, hubUrl, accessToken };
const sha256 = (data) => createHash("sha256").update(Buffer.from(data)).digest("hex");
const all = async (items) => {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
};
const failure = async (promise) => {
  try {
    await promise;
    return null;
  } catch (error) {
    return { kind: error.constructor.name, status: error.statusCode, text: error.message, request: !!error.requestId };
  }
};
const big = Buffer.alloc(11_000_000, 0).map((_, index) => (index * 7 + (index >> 8)) & 255);
const seen = {};

const who = await hub.whoAmI({ hubUrl, accessToken });
seen.who = { name: who.name, type: who.type, orgs: who.orgs.map((each) => each.name), auth: who.auth.type };
seen.created = await hub.createRepo({ ...here, private: true, ...(type === "space" && { sdk: "static" }) });
seen.exists = await hub.repoExists(here);
seen.again = await failure(hub.createRepo({ ...here, private: true, ...(type === "space" && { sdk: "static" }) }));

const uploaded = await hub.uploadFiles({
  ...here,
  commitTitle: "Three files",
  files: [
    { path: "a.txt", content: new Blob(["hello"]) },
    { path: "deep/ünï b.json", content: new Blob(["{}"]) },
    { path: "deep/w.safetensors", content: new Blob([big]) },
  ],
  useXet: false,
});
seen.commit = uploaded.commit.oid;
seen.url = uploaded.commit.url;
seen.files = (await all(hub.listFiles({ ...here, recursive: true }))).map((each) => [each.path, each.type, each.size, !!each.lfs]);
seen.expanded = (await all(hub.listFiles({ ...here, expand: true }))).map((each) => [each.path, each.lastCommit?.title]);

const weights = await hub.downloadFile({ ...here, path: "deep/w.safetensors" });
seen.same = sha256(await weights.arrayBuffer()) === sha256(big);
seen.slice = sha256(await weights.slice(1_000_000, 1_000_100).arrayBuffer()) === sha256(big.subarray(1_000_000, 1_000_100));
seen.text = await (await hub.downloadFile({ ...here, path: "deep/ünï b.json" })).text();
seen.raw = await (await hub.downloadFile({ ...here, path: "deep/w.safetensors", raw: true })).text();
seen.missing = await hub.downloadFile({ ...here, path: "no.txt" });
const info = await hub.fileDownloadInfo({ ...here, path: "deep/w.safetensors" });
seen.info = { size: info.size, etag: info.etag.replaceAll('"', "") === sha256(big) };
seen.fileExists = [await hub.fileExists({ ...here, path: "a.txt" }), await hub.fileExists({ ...here, path: "b.txt" })];
seen.paths = (await hub.pathsInfo({ ...here, paths: ["a.txt", "deep", "no.txt"] })).map((each) => [each.path, each.type]);

await hub.commit({
  ...here,
  title: "Change",
  parentCommit: seen.commit,
  operations: [
    { operation: "delete", path: "a.txt" },
    { operation: "addOrUpdate", path: "b.txt", content: new Blob(["b"]) },
  ],
  useXet: false,
});
seen.stale = await failure(
  hub.uploadFile({ ...here, file: { path: "c.txt", content: new Blob(["c"]) }, parentCommit: seen.commit, useXet: false }),
);
await hub.createBranch({ ...here, branch: "dev/next" });
await hub.uploadFile({ ...here, branch: "dev/next", file: { path: "d.txt", content: new Blob(["d"]) }, useXet: false });
seen.branch = (await all(hub.listFiles({ ...here, revision: "dev/next" }))).map((each) => each.path);
seen.branchCommits = (await all(hub.listCommits({ ...here, revision: "dev/next", batchSize: 2 }))).map((each) => each.title);
await hub.deleteBranch({ ...here, branch: "dev/next" });
const proposed = await hub.uploadFile({
  ...here, isPullRequest: true, file: { path: "p.txt", content: new Blob(["p"]) }, useXet: false,
});
seen.pullRequest = proposed.pullRequestUrl;
seen.proposed = (await all(hub.listFiles({ ...here, revision: "refs/pr/1" }))).map((each) => each.path);
await hub.deleteFiles({ ...here, paths: ["b.txt"] });
seen.commits = await hub.countCommits(here);
seen.history = (await all(hub.listCommits({ ...here, batchSize: 2 }))).map((each) => [each.title, each.authors[0].username]);

const about = { model: hub.modelInfo, dataset: hub.datasetInfo, space: hub.spaceInfo }[type];
const got = await about({ hubUrl, accessToken, name, additionalFields: ["author", "sha", "tags"] });
seen.about = { name: got.name, private: got.private, author: got.author, sha: got.sha?.length, id: got.id?.length };
const list = { model: hub.listModels, dataset: hub.listDatasets, space: hub.listSpaces }[type];
const search = { owner: name.split("/")[0], query: name.split("/")[1] };
seen.listed = (await all(list({ hubUrl, accessToken, search }))).map((each) => each.name);
seen.listedByStrangers = (await all(list({ hubUrl, search }))).length;
seen.stranger = await failure(hub.checkRepoAccess({ repo, hubUrl }));
seen.wrongToken = await failure(hub.whoAmI({ hubUrl, accessToken: "hf_nobodyHasThis" }));
seen.noRevision = await failure(hub.downloadFile({ ...here, path: "b.txt", revision: "nope" }));
await hub.deleteRepo(here);
seen.gone = await failure(hub.checkRepoAccess(here));
seen.existsAfter = await hub.repoExists(here);
console.log(JSON.stringify(seen));
