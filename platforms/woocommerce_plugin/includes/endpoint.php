<?php
/**
 * What Winback may read, with a REST API key of WooCommerce whose user may manage the shop: GET /wp-json/wc-winback/v1/…
 *
 * @package Winback_For_WooCommerce
 */

namespace Winback_For_WooCommerce;

defined( 'ABSPATH' ) || exit;

// phpcs:disable WordPress.DB.PreparedSQL.InterpolatedNotPrepared -- Only the tables' names, and values that literal() wrote.

add_action( 'rest_api_init', __NAMESPACE__ . '\register_routes' );

/**
 * The three routes.
 */
function register_routes(): void {
	$cursor = array(
		'modified_after' => array(
			'type'   => 'string',
			'format' => 'date-time',
		),
		'after_id'       => array(
			'type'    => 'integer',
			'minimum' => 0,
		),
		'per_page'       => array(
			'type'    => 'integer',
			'minimum' => 1,
			'maximum' => 200,
			'default' => 100,
		),
		'status'         => array(
			'type'  => 'array',
			'items' => array(
				'type' => 'string',
				'enum' => array( 'open', 'ordered', 'completed', 'emptied' ),
			),
		),
	);
	$since  = array(
		'since' => array(
			'type'              => 'string',
			'validate_callback' => static fn( $day ) => is_string( $day ) && gmdate( 'Y-m-d', (int) strtotime( "$day UTC" ) ) === $day,
		),
	);
	route( 'checkouts', __NAMESPACE__ . '\list_checkouts', $cursor );
	route( 'visits', __NAMESPACE__ . '\list_visits', $since );
	route( 'status', __NAMESPACE__ . '\status' );
}

/**
 * Registers one route.
 *
 * @param string   $path   Below wc-winback/v1.
 * @param callable $answer What answers it.
 * @param array    $args   Its parameters.
 */
function route( string $path, callable $answer, array $args = array() ): void {
	register_rest_route(
		'wc-winback/v1',
		"/$path",
		array(
			'methods'             => 'GET',
			'callback'            => $answer,
			'permission_callback' => __NAMESPACE__ . '\may_read',
			'args'                => $args,
		)
	);
}

/**
 * Whoever reads here sees addresses and live links: that takes the right to manage the shop.
 *
 * @return true|\WP_Error
 */
function may_read() {
	if ( current_user_can( 'manage_woocommerce' ) ) { // phpcs:ignore WordPress.WP.Capabilities.Unknown -- It is WooCommerce's.
		return true;
	}
	return new \WP_Error(
		'wc_winback_cannot_view',
		__( 'Sorry, you cannot list checkouts.', 'winback-for-woocommerce' ),
		array( 'status' => rest_authorization_required_code() )
	);
}

/**
 * Checkouts with an address, in the order of their changes. Rows of the last two seconds wait: another one could still
 * get in before them.
 *
 * @param \WP_REST_Request $request The request.
 * @return array|\WP_Error
 */
function list_checkouts( \WP_REST_Request $request ) {
	global $wpdb;
	if ( null !== $request['after_id'] && null === $request['modified_after'] ) {
		return new \WP_Error( 'rest_missing_callback_param', 'Missing parameter(s): modified_after', array( 'status' => 400 ) );
	}
	$table = checkouts_table();
	$limit = (int) $request['per_page'];
	$where = where( $request );
	$where = "$where AND updated_at <= UTC_TIMESTAMP() - INTERVAL 2 SECOND";
	$most  = $limit + 1;
	$rows  = $wpdb->get_results( "SELECT * FROM $table WHERE $where ORDER BY updated_at, id LIMIT $most", ARRAY_A );
	if ( null === $rows || $wpdb->last_error ) {
		return new \WP_Error( 'wc_winback_database', 'The database did not answer.', array( 'status' => 503 ) );
	}
	$more = count( $rows ) > $limit;
	$rows = array_slice( $rows, 0, $limit );
	$last = end( $rows );
	return envelope(
		array(
			'has_more'  => $more,
			'next'      => $last ? array(
				'modified_after' => utc( $last['updated_at'] ),
				'after_id'       => (int) $last['id'],
			) : null,
			'checkouts' => array_map( __NAMESPACE__ . '\shown', $rows ),
		)
	);
}

/**
 * The condition that a request's cursor and statuses make.
 *
 * @param \WP_REST_Request $request The request.
 */
function where( \WP_REST_Request $request ): string {
	global $wpdb;
	$where = array( "email <> ''" );
	if ( null !== $request['modified_after'] ) {
		$after   = gmdate( 'Y-m-d H:i:s', max( 0, rest_parse_date( $request['modified_after'] ) ) );
		$where[] = null === $request['after_id']
			? $wpdb->prepare( 'updated_at >= %s', $after )
			: $wpdb->prepare( '(updated_at > %s OR (updated_at = %s AND id > %d))', $after, $after, $request['after_id'] );
	}
	if ( $request['status'] ) {
		$where[] = 'status IN (' . implode( ', ', array_map( __NAMESPACE__ . '\literal', $request['status'] ) ) . ')';
	}
	return implode( ' AND ', $where );
}

/**
 * One checkout as Winback sees it.
 *
 * @param array $row The row.
 */
function shown( array $row ): array {
	$cart          = json_decode( $row['cart'], true );
	$cart['lines'] = array_map(
		static function ( $line ) {
			unset( $line['key'], $line['extra'] );
			$line['variation'] = (object) $line['variation']; // PHP would write an empty one as [].
			return $line;
		},
		$cart['lines']
	);
	return array(
		'id'           => (int) $row['id'],
		'rev'          => (int) $row['rev'],
		'token'        => $row['token'],
		'status'       => $row['status'],
		'email'        => $row['email'],
		'customer_id'  => (int) $row['customer_id'],
		'order_id'     => (int) $row['order_id'],
		'order_status' => $row['order_status'],
		'parent_id'    => (int) $row['parent_id'],
		'consent'      => $row['consent_state'] ? array(
			'state'  => $row['consent_state'],
			'source' => $row['consent_source'],
			'at'     => utc( $row['consent_at'] ),
		) : null,
		'created_at'   => utc( $row['created_at'] ),
		'updated_at'   => utc( $row['updated_at'] ),
		'activity_at'  => utc( $row['activity_at'] ),
		'completed_at' => utc( $row['completed_at'] ),
		'stage'        => $row['stage'],
		'recovery_url' => recovery_url( $row['token'] ),
	) + json_decode( $row['contact'], true ) + $cart;
}

/**
 * How many checkouts began on each day, and how many of them left an address.
 *
 * @param \WP_REST_Request $request The request.
 */
function list_visits( \WP_REST_Request $request ): array {
	global $wpdb;
	$table = days_table();
	$since = $request['since'] ?? gmdate( 'Y-m-d', time() - 30 * DAY_IN_SECONDS );
	$days  = $wpdb->get_results( $wpdb->prepare( "SELECT * FROM $table WHERE day >= %s ORDER BY day", $since ), ARRAY_A );
	return envelope(
		array(
			'days' => array_map(
				static fn( $day ) => array(
					'day'         => $day['day'],
					'started'     => (int) $day['started'],
					'contactable' => (int) $day['contactable'],
				),
				$days
			),
		)
	);
}

/**
 * What runs here, and since when something is known.
 */
function status(): array {
	global $wpdb;
	$table = checkouts_table();
	return envelope(
		array(
			'plugin'      => VERSION,
			'woocommerce' => WC_VERSION,
			'wordpress'   => get_bloginfo( 'version' ),
			'php'         => PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION,
			'checkout'    => checkout_kind(),
			'blocked'     => obstacles(),
			'oldest'      => utc( $wpdb->get_var( "SELECT MIN(created_at) FROM $table" ) ),
		)
	);
}

/**
 * Which of WooCommerce's two checkouts this store shows; a page builder's is unknown.
 */
function checkout_kind(): string {
	$utils = \Automattic\WooCommerce\Blocks\Utils\CartCheckoutUtils::class;
	if ( class_exists( $utils ) && $utils::is_checkout_block_default() ) {
		return 'block';
	}
	$page = get_post( wc_get_page_id( 'checkout' ) );
	$text = $page ? $page->post_content : '';
	return has_shortcode( $text, 'woocommerce_checkout' ) || has_block( 'woocommerce/classic-shortcode', $text ) ? 'classic' : 'unknown';
}

/**
 * What keeps this plugin from its work, in sentences for the owner.
 *
 * @return string[]
 */
function obstacles(): array {
	global $wpdb;
	$found = array();
	if ( ! get_post( wc_get_page_id( 'checkout' ) ) ) {
		$found[] = __( 'WooCommerce has no checkout page: choose one under WooCommerce > Settings > Advanced.', 'winback-for-woocommerce' );
	}
	if ( $wpdb->get_var( $wpdb->prepare( 'SHOW TABLES LIKE %s', $wpdb->esc_like( checkouts_table() ) ) ) !== checkouts_table() ) {
		$found[] = __( 'The plugin could not make its table: switch the plugin off and on, and look whether the database user may create tables.', 'winback-for-woocommerce' );
	}
	return $found;
}

/**
 * An answer with what every answer has.
 *
 * @param array $answer The rest.
 */
function envelope( array $answer ): array {
	global $wpdb;
	return array(
		'version'    => '1',
		'store_time' => utc( $wpdb->get_var( 'SELECT UTC_TIMESTAMP()' ) ),
	) + $answer;
}

/**
 * A time of the database as ISO 8601.
 *
 * @param string|null $time Like 2026-11-22 10:00:00, or null.
 */
function utc( ?string $time ): ?string {
	return null === $time ? null : str_replace( ' ', 'T', $time ) . 'Z';
}
