/** What every command may use of the platform. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Path from "@effect/platform/Path"

export type Services = FileSystem.FileSystem | HttpClient.HttpClient | Path.Path
