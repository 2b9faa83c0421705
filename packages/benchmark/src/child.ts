/**
 * `child.ts <module> <function> <json>`: calls the function and sends what it gives to the parent.
 */
const [module, name, argument] = process.argv.slice(2)
const functions = await import(`./${module}.ts`)
const value = await functions[name!](JSON.parse(argument!))
process.send!({ value }, () => process.exit(0))
