"""OAuth 2 and OpenID Connect for programs: one file per endpoint's noun. The pages are in `pages.consent`."""
