/**
 * What `token` printed last is printed again, without the program, while that is what the program would print: it was asked
 * in the same words, with the same variables and the same configuration, nothing in the folder of the tokens has changed
 * since, and the token has enough of its life left. Who revokes, renews or removes a token changes that folder.
 *
 * It holds a token, so it lies as tokens do: in a folder of mode 0700, in files of mode 0600, and what others could have
 * written is not read.
 */
const lastAnswer = (() => {
  const answers = path.join(base(), "effect-bearer", "answers")
  const words = process.argv.slice(2)

  /** A file as it is now: another one, or another content, is told by it. */
  const state = (name) => {
    try {
      const { ino, mode, mtimeNs, size, uid } = fs.statSync(name, { bigint: true })
      return [name, ino, mtimeNs, size, mode, uid].join(" ")
    } catch (error) {
      return `${name} ${error.code}`
    }
  }

  /** Everything in the folder of the tokens, or nothing where that is too much to look at. */
  const stateOfTokens = (folder) => {
    const names = fs.readdirSync(folder)
    return names.length > 64 ? undefined : names.sort().map((name) => state(path.join(folder, name))).join("\n")
  }

  const stateOfFiles = (files) => files.map(state).join("\n")

  /**
   * The variables that decide which token it is, or how it is printed. Any other is not kept: the name of one that holds a
   * secret is the user's choice.
   */
  const deciding = [
    "OAUTH_TOKEN_ENDPOINT",
    "OAUTH_ISSUER",
    "OAUTH_CLIENT_ID",
    "OAUTH_CLIENT_SECRET_FILE",
    "OAUTH_CLIENT_AUTHENTICATION",
    "OAUTH_SCOPES",
    "OAUTH_AUDIENCE",
    "OAUTH_RESOURCE",
    "OAUTH_INTROSPECTION_ENDPOINT",
    "OAUTH_REVOCATION_ENDPOINT",
    "OAUTH_API_URL",
    "GENESYS_CLIENT_ID",
    "GENESYS_CLIENT_SECRET_FILE",
    "GENESYS_ENV_URL",
    "GENESYS_REGION",
    "GENESYS_SCOPES",
    "EFFECT_BEARER_CACHE",
    "EFFECT_BEARER_CONFIG",
    "EFFECT_BEARER_PROFILE",
    "KUBERNETES_EXEC_INFO",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "HOME",
    "APPDATA",
    "LOCALAPPDATA"
  ]

  /** Of these it counts whether they are there: that decides between `OAUTH_*` and `GENESYS_*`. */
  const secrets = ["OAUTH_CLIENT_SECRET", "GENESYS_CLIENT_SECRET"]

  /** What was asked, and by whom, secrets aside. Which folder and files the answer rests on follows from it. */
  const question = () => {
    const variables = deciding.map((name) => [name, process.env[name]]).filter(([, value]) => value !== undefined)
    const present = secrets.filter((name) => given(name) !== undefined)
    return JSON.stringify([kind, process.cwd(), words, variables, present])
  }

  /** Where it is kept: no more than a name, the whole question is compared. */
  const fileOf = (text) => {
    let hash = 7
    for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0
    return path.join(answers, (hash >>> 0).toString(16))
  }

  /** Other options want something of the token, or of the time; git and Bazel ask on standard input. */
  const other = /^--(min-ttl|json|scope|audience|resource|log-level|help)|^-[^-cfpq]|^(--format=|-f)?(git|bazel|json)$/
  const isPlain = words[0] === "token" && !words.some((word) => other.test(word))

  const read = (asked) => {
    const file = fs.openSync(fileOf(asked), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW)
    try {
      const info = fs.fstatSync(file)
      if (!info.isFile() || !isOurs(info) || (info.mode & 0o077) !== 0 || info.size > 131_072) return undefined
      return JSON.parse(fs.readFileSync(file, "utf8"))
    } finally {
      fs.closeSync(file)
    }
  }

  let asked
  return {
    /** Whether it was printed. */
    print: () => {
      if (!isPlain) return false
      try {
        asked = question()
        const folder = fs.lstatSync(answers)
        if (!folder.isDirectory() || !isOurs(folder)) return false
        const kept = read(asked) ?? {}
        const now = Date.now()
        if (kept.question !== asked || !(kept.from <= now && now < kept.until)) return false
        if (kept.configuration !== stateOfFiles(kept.files)) return false
        if (kept.tokens === undefined || kept.tokens !== stateOfTokens(kept.folder)) return false
        const bytes = Buffer.from(`${kept.text}\n`)
        return fs.writeSync(1, bytes) === bytes.length
      } catch {
        return false
      }
    },
    /** Keeps what was printed; it may be printed again before `until`, while the folder and the files are as they are. */
    keep: (text, until, { files, folder }) => {
      if (!isPlain || asked === undefined) return
      try {
        const tokens = stateOfTokens(folder)
        if (tokens === undefined) return
        makeFolder(answers)
        if (!isOurs(fs.lstatSync(answers))) return
        const others = fs.readdirSync(answers)
        // of questions that nobody asks any more
        if (others.length > 32) for (const other of others) fs.rmSync(path.join(answers, other), { force: true })
        const file = fileOf(asked)
        const temporary = `${file}.${process.pid}`
        const configuration = stateOfFiles(files)
        const answer = { question: asked, folder, tokens, files, configuration, from: Date.now(), until, text }
        fs.writeFileSync(temporary, JSON.stringify(answer), { mode: 0o600, flag: "wx" })
        fs.renameSync(temporary, file)
      } catch {
        // the next run asks the store
      }
    }
  }
})()
