// Signs somebody in as a page in a browser does; the consent is given by whoever runs this, over standard input.
import { createInterface } from "node:readline/promises";
import { oauthHandleRedirect, oauthLoginUrl, whoAmI } from "@huggingface/hub";

const [hubUrl, clientId, redirectUrl] = process.argv.slice(2);
const storage = {};
const url = await oauthLoginUrl({
	hubUrl,
	clientId,
	redirectUrl,
	scopes: "openid profile email read-repos",
	state: "mine",
	localStorage: storage,
});
console.log(url);
const lines = createInterface({ input: process.stdin });
const redirectedUrl = await new Promise((resolve) => lines.once("line", resolve));
lines.close();
const options = { hubUrl, redirectedUrl, nonce: storage.nonce, codeVerifier: storage.codeVerifier };
const result = await oauthHandleRedirect(options);
let again = null;
try {
	await oauthHandleRedirect(options);
} catch (error) {
	again = error.message;
}
let after = null;
try {
	after = (await whoAmI({ hubUrl, accessToken: result.accessToken })).name;
} catch (error) {
	after = error.statusCode;
}
console.log(JSON.stringify({ ...result, again, after }));
