/**
 * Which files are trusted. The rule: a file that other users could have written is not read, even by root. A directory,
 * and each file in it, must belong to the user of this process or to root (who can do anything anyway), and only its
 * owner may write to it. That a process of root may read and write every file does not make a file trustworthy.
 *
 * Each function says what is wrong, or `undefined`. On Windows the bits of a mode mean nothing, and none is asked.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Option from "effect/Option"

/** The user id of this process, if the system tells it. */
export type User = Option.Option<number>

type Owned = Pick<FileSystem.File.Info, "uid">
type Info = Pick<FileSystem.File.Info, "mode" | "uid">

/** The user id that a container sees for users it has no id for, such as root of the machine. */
const unknownUser = 65_534

const isOurs = ({ uid }: Owned, me: User): boolean =>
  Option.getOrElse(Option.zipWith(uid, me, (uid, me) => uid === me || uid === 0), () => true)

export const ofFile = (info: Info, isLink: boolean, me: User): string | undefined =>
  isLink
    ? "it is a link to a file elsewhere"
    : !isOurs(info, me)
    ? "the file belongs to another user"
    : (info.mode & 0o077) !== 0
    ? "others may have read or changed the file: its mode is not 600"
    : undefined

export const ofMode = (root: string, { mode }: Pick<Info, "mode">): string | undefined =>
  (mode & 0o022) === 0
    ? undefined
    : `others may write to ${root}, and so could plant tokens: set its mode to 700`

export const ofOwner = (root: string, info: Owned, me: User): string | undefined =>
  isOurs(info, me)
    ? undefined
    : `${root} belongs to another user, who could plant tokens: give it to the user of this process, or take another`

/**
 * The same for the directory `at`, which is above `root`. A user who may rename entries of it can put another directory
 * in the place of `root`: its owner always can, other users can if they may write to it and no sticky bit forbids it.
 */
export const ofDirectoryAbove = (root: string, at: string, info: Info, me: User): string | undefined =>
  (info.mode & 0o002) !== 0 && (info.mode & 0o1000) === 0
    ? `everybody may write to ${at}, and so could replace ${root}: take that right away`
    : !isOurs(info, me) && !Option.contains(info.uid, unknownUser)
    ? `${at} belongs to another user, who could replace ${root}: take a directory below one that is of the user of ` +
      "this process or of root"
    : undefined
