// A collection's life with @huggingface/hub, which exports three functions for it. Prints what it saw as JSON.
import { createCollection, deleteCollection, listCollections } from "@huggingface/hub";

const [hubUrl, accessToken] = process.argv.slice(2);
const at = { hubUrl, accessToken };

const title = `From JavaScript ${Math.random().toString(36).slice(2, 10)}`;
const item = { type: "paper", id: "2307.09288" };
const { slug } = await createCollection({
  collection: { title, namespace: "alice", description: "Told by a test", private: false, item },
  ...at,
});

async function find(search) {
  for await (const each of listCollections({ search, sort: "lastModified", limit: 150, ...at })) {
    if (each.slug === slug) return each;
  }
  return null;
}

const found = await find({ owner: ["alice"], item: ["papers/2307.09288"], q: title });
let twice = 0;
try {
  await createCollection({ collection: { title, namespace: "alice" }, ...at });
} catch (error) {
  twice = error.statusCode;
}
await deleteCollection({ slug, ...at });
console.log(JSON.stringify({ slug, found, twice, after: await find({ owner: ["alice"] }) }));
