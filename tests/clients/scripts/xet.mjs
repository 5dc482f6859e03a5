// Xet told with @huggingface/hub; prints what it saw as JSON. Arguments: hub URL, token, repository, type, and a file.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import * as hub from "@huggingface/hub";

const [hubUrl, accessToken, name, type, path] = process.argv.slice(2);
const repo = { type, name };
const here = { repo, hubUrl, accessToken };
const sha256 = (data) => createHash("sha256").update(Buffer.from(data)).digest("hex");
const data = await readFile(path);
const seen = { want: sha256(data), size: data.length };

await hub.createRepo({ ...here, private: true, ...(type === "space" && { sdk: "static" }) });
const uploaded = await hub.uploadFiles({
  ...here,
  files: [
    { path: "w.bin", content: new Blob([data]) },
    { path: "d/small.bin", content: new Blob([data.subarray(0, 20_000)]) },
    { path: "empty.txt", content: new Blob([]) },
  ],
  useXet: true,
});
seen.commit = uploaded.commit.oid;

const whole = await hub.downloadFile({ ...here, path: "w.bin", xet: true });
seen.blob = whole.constructor.name;
seen.whole = sha256(await whole.arrayBuffer());
const slices = [[0, 1], [1_000_000, 1_000_100], [3, 2_000_003], [data.length - 5, data.length]];
seen.slices = [];
for (const [start, end] of slices) {
  seen.slices.push(sha256(await whole.slice(start, end).arrayBuffer()) === sha256(data.subarray(start, end)));
}
seen.small = sha256(await (await hub.downloadFile({ ...here, path: "d/small.bin" })).arrayBuffer()) === sha256(data.subarray(0, 20_000));
const plain = await hub.downloadFile({ ...here, path: "w.bin", xet: false });
seen.plain = sha256(await plain.arrayBuffer());
const info = await hub.fileDownloadInfo({ ...here, path: "w.bin", xet: true });
seen.info = { size: info.size, etag: info.etag.replaceAll('"', ""), xet: !!info.xet };
seen.paths = (await hub.pathsInfo({ ...here, paths: ["w.bin", "d/small.bin"] })).map((each) => [each.path, each.xetHash]);

// The same content again, in the middle of another file, and without Xet.
const joined = Buffer.concat([data.subarray(0, 500_000), Buffer.from("changed"), data.subarray(500_000)]);
await hub.uploadFile({ ...here, file: { path: "joined.bin", content: new Blob([joined]) }, useXet: true });
seen.joined = sha256(await (await hub.downloadFile({ ...here, path: "joined.bin" })).arrayBuffer()) === sha256(joined);
await hub.uploadFile({ ...here, file: { path: "lfs.bin", content: new Blob([joined.subarray(7)]) }, useXet: false });
seen.lfs = sha256(await (await hub.downloadFile({ ...here, path: "lfs.bin" })).arrayBuffer()) === sha256(joined.subarray(7));

await hub.createBranch({ ...here, branch: "dev/next" });
await hub.uploadFile({ ...here, branch: "dev/next", file: { path: "b.bin", content: new Blob([data.subarray(9)]) }, useXet: true });
const branch = await hub.downloadFile({ ...here, path: "b.bin", revision: "dev/next" });
seen.branch = sha256(await branch.arrayBuffer()) === sha256(data.subarray(9));
const proposed = await hub.uploadFile({
  ...here, isPullRequest: true, file: { path: "p.bin", content: new Blob([data.subarray(11)]) }, useXet: true,
});
seen.pullRequest = proposed.pullRequestUrl;
const pull = await hub.downloadFile({ ...here, path: "p.bin", revision: "refs/pr/1" });
seen.proposed = sha256(await pull.arrayBuffer()) === sha256(data.subarray(11));
console.log(JSON.stringify(seen));
