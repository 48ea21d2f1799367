"""The GraphQL documents sent to Shopify, for Admin API 2026-10 (read 2026-11-22).

`@include` lets a field be left out without a second copy of the document: `abandonedCheckoutUrl` needs all four
protected customer fields (https://shopify.dev/docs/apps/launch/protected-customer-data), products need read_products.
"""

from __future__ import annotations

MONEY = "{ presentmentMoney { amount currencyCode } }"

ADDRESS = "{ firstName lastName phone address1 countryCodeV2 }"

LINE_PAGE = f"""{{
        pageInfo {{ hasNextPage endCursor }}
        nodes {{
          title
          variantTitle
          sku
          quantity
          image {{ url }}
          product @include(if: $withProducts) {{ id onlineStoreUrl }}
          variant @include(if: $withProducts) {{ id }}
          discountedUnitPriceSet {MONEY}
          discountedTotalPriceSet {MONEY}
        }}
      }}"""

# Without a sort key for updatedAt the order is by ID, which no update can change while pages are read.
CHECKOUTS = f"""
query Checkouts(
  $first: Int!, $after: String, $query: String, $lines: Int!, $withUrl: Boolean!, $withProducts: Boolean!
) {{
  abandonedCheckouts(first: $first, after: $after, query: $query, sortKey: ID) {{
    pageInfo {{ hasNextPage endCursor }}
    nodes {{
      id
      createdAt
      updatedAt
      completedAt
      abandonedCheckoutUrl @include(if: $withUrl)
      discountCodes
      customer {{
        id
        firstName
        lastName
        locale
        defaultPhoneNumber {{ phoneNumber }}
        defaultEmailAddress {{ emailAddress marketingState marketingUpdatedAt }}
      }}
      shippingAddress {ADDRESS}
      billingAddress {ADDRESS}
      totalPriceSet {MONEY}
      lineItems(first: $lines) {LINE_PAGE}
    }}
  }}
}}
"""

LINES = f"""
query Lines($id: ID!, $first: Int!, $after: String, $withProducts: Boolean!) {{
  node(id: $id) {{
    ... on AbandonedCheckout {{
      lineItems(first: $first, after: $after) {LINE_PAGE}
    }}
  }}
}}
"""

CUSTOMERS = """
query Customers($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on Customer {
      id
      defaultEmailAddress { emailAddress marketingState marketingUpdatedAt }
    }
  }
}
"""

ORDERS = f"""
query Orders($first: Int!, $after: String, $query: String) {{
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
    pageInfo {{ hasNextPage endCursor }}
    nodes {{
      id
      createdAt
      updatedAt
      processedAt
      cancelledAt
      test
      displayFinancialStatus
      sourceName
      checkoutToken
      cartToken
      email
      customer {{ id defaultEmailAddress {{ emailAddress }} }}
      totalPriceSet {MONEY}
      totalRefundedSet {MONEY}
    }}
  }}
}}
"""

CHECK = """
query Check {
  shop { id name ianaTimezone }
  currentAppInstallation { accessScopes { handle } }
}
"""

ERRORS = "userErrors { field message code }"

COUPON = """{
      id
      codeDiscount {
        __typename
        ... on DiscountCodeBasic { endsAt asyncUsageCount }
        ... on DiscountCodeFreeShipping { endsAt asyncUsageCount }
      }
    }"""

MAKE_DISCOUNT = f"""
mutation MakeDiscount($coupon: DiscountCodeBasicInput!) {{
  discountCodeBasicCreate(basicCodeDiscount: $coupon) {{
    codeDiscountNode {COUPON}
    {ERRORS}
  }}
}}
"""

MAKE_FREE_SHIPPING = f"""
mutation MakeFreeShipping($coupon: DiscountCodeFreeShippingInput!) {{
  discountCodeFreeShippingCreate(freeShippingCodeDiscount: $coupon) {{
    codeDiscountNode {COUPON}
    {ERRORS}
  }}
}}
"""

FIND_COUPON = f"""
query FindCoupon($code: String!) {{
  codeDiscountNodeByCode(code: $code) {COUPON}
}}
"""

DELETE_COUPON = f"""
mutation DeleteCoupon($id: ID!) {{
  discountCodeDelete(id: $id) {{
    deletedCodeDiscountId
    {ERRORS}
  }}
}}
"""

SCOPES = """
query Scopes {
  currentAppInstallation { accessScopes { handle } }
}
"""

HOOKS = """
query Hooks($first: Int!, $after: String) {
  webhookSubscriptions(first: $first, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { id topic uri }
  }
}
"""

HOOK_CREATE = """
mutation HookCreate($topic: WebhookSubscriptionTopic!, $hook: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $hook) {
    webhookSubscription { id topic uri }
    userErrors { field message }
  }
}
"""

HOOK_DELETE = """
mutation HookDelete($id: ID!) {
  webhookSubscriptionDelete(id: $id) {
    deletedWebhookSubscriptionId
    userErrors { field message }
  }
}
"""
