// The same grant by hand: what cannot be undercut.
const [tokenEndpoint] = process.argv.slice(2)
const response = await fetch(tokenEndpoint, {
  method: "POST",
  headers: { authorization: `Basic ${btoa("benchmark:benchmark-secret")}` },
  body: new URLSearchParams({ grant_type: "client_credentials" })
})
const { access_token: token } = await response.json()
process.exit(token.startsWith("token.") ? 0 : 1)
