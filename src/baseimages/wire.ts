import { Type, type Static } from 'typebox'

export const BaseImage = Type.Object({
  id: Type.String(),
  name: Type.String(),
  version: Type.String(),
  image: Type.String(),
  platform: Type.String(),
  layers: Type.Integer(),
  approvedAt: Type.String({ format: 'date-time' }),
  withdrawnAt: Type.Optional(Type.String({ format: 'date-time' })),
})
export type BaseImage = Static<typeof BaseImage>
export const BaseImageList = Type.Object({ items: Type.Array(BaseImage) })
export const NewBaseImage = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z0-9][a-z0-9._+-]{0,63}$' }),
    version: Type.String({ minLength: 1, maxLength: 64 }),
    image: Type.String({ minLength: 1, maxLength: 400 }),
  },
  { additionalProperties: false },
)
export const BaseImageParams = Type.Object(
  { id: Type.String({ maxLength: 64 }) },
  { additionalProperties: false },
)
